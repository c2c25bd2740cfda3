"""Reads the text of a spec into a `Network`.

A spec passes through four stages:

1. files.py, source.py and tree.py read the text into a `Document`: plain values with their positions in the text.
2. compile.py, blocks.py and values.py compile entries, blocks and expressions, before any shape is known.
3. expand.py expands the entries into the layers of a `Draft`, the unfinished network. For this, resolve.py evaluates
   expressions and finds the layers that names refer to, layer_maker.py makes single layers, bind.py evaluates the
   parameters of blocks, and replay.py copies blocks that were expanded before.
4. reader.py runs stages 2 and 3, reads the other keys of the spec (with params.py, inputs.py and budget.py), and makes
   the `Network`.

Where a new feature of the language belongs:

- a new form of an entry: `compile_entry` in compile.py; a new form of its arguments: `_read_arguments` there, which
  also reads short forms such as `- maxpool: 2` (`has_short_form` in entries.py)
- an option of an entry: `OPTIONS` in entries.py, and its effect in expand.py
- the counts of repeats, named (`repeat: {level: 7}`) or `$index`: `_compile_repeat` and `Visible` in compile.py decide
  which ones an expression can use, `_make_lookup` in resolve.py finds their values
- the names of branches and copies: `_expand_branch` and `_expand_repeat` in expand.py; `_compile_branches` in
  compile.py reads named branches and lists
- a new way to refer to layers: `find_place` in resolve.py; names with `*`: `_collect_copies` there
- the syntax of expressions: the grammar in expressions.py
- the hint for a mistake: entry_mistakes.py, dialects.py (names from other tools), and malformed.py (text that is not
  YAML)

The JSON Schema in spec_schema.py must accept every new feature.
"""
