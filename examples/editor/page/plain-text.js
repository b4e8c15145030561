// The shared text as CodeMirror takes it. Others may put into it what is no text, such as an
// embedded object; it counts as one character, so one character stands for it.

const STANDS_FOR_OBJECT = '\uFFFC'

const isObject = insert => insert !== undefined && typeof insert !== 'string'

export const plainText = ytext => ytext.toDelta()
  .map(({ insert }) => isObject(insert) ? STANDS_FOR_OBJECT : insert)
  .join('')

// To be called before y-codemirror.next observes the text: it passes on to CodeMirror what it finds
// in the event, which is the same for all who observe it.
export const hideObjects = ytext => ytext.observe(({ delta }) => {
  for (const part of delta) {
    if (isObject(part.insert)) part.insert = STANDS_FOR_OBJECT
  }
})
