// The editor of the spec: CodeMirror with problems as marks, and completion.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorState, Transaction } from "@codemirror/state";
import { EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { complete } from "./completion.js";

const STYLE = EditorView.theme({
  "&": { height: "100%", color: "var(--text)", backgroundColor: "var(--paper)", fontSize: "13px" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-content": { caretColor: "var(--text)", padding: "8px 0 40vh" },
  ".cm-gutters": { color: "var(--faint)", backgroundColor: "var(--paper)", border: "none" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--active)" },
  ".cm-selectionMatch": { backgroundColor: "var(--match)" },
  ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": { backgroundColor: "var(--match)", outline: "1px solid var(--line)" },
  ".cm-tooltip": { color: "var(--text)", backgroundColor: "var(--raised)", border: "1px solid var(--line)", borderRadius: "6px", overflow: "hidden" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", maxHeight: "14em" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": { color: "var(--on-accent)", backgroundColor: "var(--accent)" },
  ".cm-completionInfo": { maxWidth: "24em", padding: "6px 10px", fontFamily: "var(--sans)" },
  ".cm-diagnostic": { padding: "6px 10px", fontFamily: "var(--sans)", maxWidth: "32em", whiteSpace: "pre-wrap" },
  ".cm-diagnostic-error": { borderLeft: "4px solid var(--error)" },
  ".cm-diagnostic-warning": { borderLeft: "4px solid var(--warning)" },
  ".cm-diagnostic-info": { borderLeft: "4px solid var(--accent)" },
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--error) 1px", textUnderlineOffset: "3px" },
  ".cm-lintRange-warning": { backgroundImage: "none", textDecoration: "underline wavy var(--warning) 1px", textUnderlineOffset: "3px" },
  ".cm-lintRange-info": { backgroundImage: "none", textDecoration: "underline dotted var(--accent) 1px", textUnderlineOffset: "3px" },
  ".cm-panels": { color: "var(--text)", backgroundColor: "var(--raised)", borderColor: "var(--line)" },
  ".cm-textfield, .cm-button": { color: "var(--text)", background: "var(--paper)", border: "1px solid var(--line)" },
});
const COLOURS = HighlightStyle.define([
  { tag: tags.comment, color: "var(--faint)", fontStyle: "italic" },
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--key)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--string)" },
  { tag: [tags.punctuation, tags.separator, tags.squareBracket, tags.brace], color: "var(--faint)" },
]);

/** Makes the editor in an element. `onEdit` is called after each change by the user, `schema` returns the JSON Schema. */
export class Editor {
  #view;

  constructor(element, { onEdit, schema }) {
    // in a shadow root, CodeMirror's styles need no exception from the security policy of the page
    const root = element.attachShadow({ mode: "open" });
    const source = (context) => {
      const found = complete(context.state.sliceDoc(0, context.pos), schema());
      const typed = context.explicit || (found && found.from < context.pos);
      return found && typed ? { ...found, validFor: /^[\w-]*$/ } : null;
    };
    this.#view = new EditorView({
      root,
      parent: root,
      extensions: [
        lineNumbers(),
        lintGutter(),
        highlightActiveLine(),
        highlightActiveLineGutter(),
        highlightSelectionMatches(),
        history(),
        indentOnInput(),
        bracketMatching(),
        closeBrackets(),
        autocompletion({ override: [source], icons: false }),
        keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...completionKeymap, ...lintKeymap, indentWithTab]),
        yaml(),
        indentUnit.of("  "),
        EditorState.tabSize.of(2),
        syntaxHighlighting(COLOURS),
        STYLE,
        EditorView.contentAttributes.of({ "aria-label": "Spec. Escape, then Tab, leaves the editor.", spellcheck: "false" }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) onEdit(update.transactions.some((one) => one.annotation(Transaction.userEvent) !== undefined));
        }),
      ],
    });
  }

  get text() {
    return this.#view.state.doc.toString();
  }

  /** Replaces the text; the user can undo this. */
  set text(text) {
    const { state } = this.#view;
    this.#view.dispatch({ changes: { from: 0, to: state.doc.length, insert: text }, selection: { anchor: 0 }, scrollIntoView: true });
  }

  /** Marks problems, as in the JSON of `convcalc check`; all have a line, or are shown at the first one. */
  mark(problems) {
    const { state } = this.#view;
    const marks = problems.map((problem) => {
      const from = this.#offset(problem.line, problem.column);
      const to = Math.max(this.#offset(problem.end_line, problem.end_column), from);
      const hint = problem.hint ? `\n${problem.hint}` : "";
      return { from, to, severity: severity(problem), message: problem.message + hint, source: problem.code };
    });
    this.#view.dispatch(setDiagnostics(state, marks));
  }

  /** Moves the cursor to the place of a problem. */
  goTo({ line, column }) {
    this.#view.dispatch({ selection: { anchor: this.#offset(line, column) }, scrollIntoView: true });
    this.#view.focus();
  }

  #offset(line, column) {
    const { doc } = this.#view.state;
    const found = doc.line(Math.min(Math.max(line ?? 1, 1), doc.lines));
    // columns count characters, and CodeMirror counts UTF-16 units, of which some characters have two
    const before = Array.from(found.text).slice(0, Math.max((column ?? 1) - 1, 0)).join("");
    return found.from + before.length;
  }
}

export function severity({ severity: name }) {
  return name === "error" || name === "warning" ? name : "info";
}
