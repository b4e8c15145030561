// The text: CodeMirror, bound to the shared document.

import { defaultKeymap } from '@codemirror/commands'
import { EditorState } from '@codemirror/state'
import { dropCursor, EditorView, keymap, placeholder } from '@codemirror/view'
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next'
import { cursorNames } from './cursor-names.js'
import { hideObjects, plainText } from './plain-text.js'

// CodeMirror would count "\r\n" as one character, the shared text counts two: positions would differ.
const oneKindOfLineEnd = [
  EditorState.lineSeparator.of('\n'),
  EditorView.clipboardInputFilter.of(pasted => pasted.replace(/\r\n?/g, '\n'))
]

export const makeEditor = ({ ytext, awareness, undoManager, parent }) => {
  hideObjects(ytext)
  return new EditorView({
    parent,
    doc: plainText(ytext),
    extensions: [
      oneKindOfLineEnd,
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ 'aria-label': 'Shared text', spellcheck: 'true' }),
      placeholder('Write something…'),
      dropCursor(),
      keymap.of([...yUndoManagerKeymap, ...defaultKeymap]),
      yCollab(ytext, awareness, { undoManager }),
      cursorNames
    ]
  })
}
