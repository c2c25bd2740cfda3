// A spec in the fragment of the address: `#spec=` and the text, compressed by deflate and written as base64url.
export const MOST_CHARACTERS = 30_000; // of a link; longer ones are cut by some programs
const MOST_BYTES = 1 << 20; // of a spec from a link, so that a link cannot fill the memory

/** Why a link does not work, in words for the reader. */
export class WrongLink extends Error {}

/** Returns the fragment for a spec; throws WrongLink if it would be too long. */
export async function writeFragment(text) {
  const packed = await throughStream(new CompressionStream("deflate-raw"), new TextEncoder().encode(text), Infinity);
  const letters = btoa(Array.from(packed, (byte) => String.fromCharCode(byte)).join(""));
  const fragment = `#spec=${letters.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")}`;
  if (fragment.length > MOST_CHARACTERS || text.length > MOST_BYTES) {
    const size = fragment.length.toLocaleString("en");
    throw new WrongLink(`A link to this spec would have ${size} characters, and the limit is 30,000. Save the file instead.`);
  }
  return fragment;
}

/** Returns {text} or {example} of a fragment, or null if it has neither; throws WrongLink. */
export async function readFragment(fragment) {
  const [, name, value] = /^#(spec|example)=(.*)$/s.exec(fragment) ?? [];
  if (!name) return null;
  if (name === "example") return { example: decode(value) };
  if (!/^[\w-]+$/.test(value) || value.length > MOST_CHARACTERS) throw new WrongLink("The link has no readable spec.");
  try {
    const packed = atob(value.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
    const text = await throughStream(new DecompressionStream("deflate-raw"), bytes, MOST_BYTES);
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(text) };
  } catch (error) {
    if (error instanceof WrongLink) throw error;
    throw new WrongLink("The link is damaged: its spec cannot be read.");
  }
}

function decode(value) {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

async function throughStream(stream, bytes, most) {
  const writer = stream.writable.getWriter();
  // errors of the writer are those of the reader
  const written = writer.write(bytes).then(() => writer.close()).catch(() => {});
  const parts = [];
  let size = 0;
  const reader = stream.readable.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    size += part.value.length;
    if (size > most) {
      await reader.cancel();
      throw new WrongLink("The spec in the link is larger than 1 MiB.");
    }
    parts.push(part.value);
  }
  await written;
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
