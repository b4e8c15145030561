// The buttons that undo and redo what was written here, and nobody else's edits.

export const showHistory = (undoManager, editor, { undo, redo }) => {
  const show = () => {
    undo.disabled = !undoManager.canUndo()
    redo.disabled = !undoManager.canRedo()
  }
  for (const change of ['stack-item-added', 'stack-item-popped', 'stack-cleared']) {
    undoManager.on(change, show)
  }
  const onClick = (button, action) => button.addEventListener('click', () => {
    action()
    editor.focus()
  })
  onClick(undo, () => undoManager.undo())
  onClick(redo, () => undoManager.redo())
}
