// Keeps the names at the cursors of others in sight.

import { EditorView } from '@codemirror/view'

const readOverflows = view => {
  const { right } = view.scrollDOM.getBoundingClientRect()
  return Array.from(view.dom.querySelectorAll('.cm-ySelectionCaret'), caret => {
    const label = caret.querySelector('.cm-ySelectionInfo')
    return { label, overflows: caret.getBoundingClientRect().left + label.offsetWidth > right }
  })
}

const turnToTheLeft = labels => {
  for (const { label, overflows } of labels) label.classList.toggle('to-the-left', overflows)
}

export const cursorNames = EditorView.updateListener.of(({ view }) =>
  view.requestMeasure({ key: turnToTheLeft, read: readOverflows, write: turnToTheLeft }))
