// What a person sees at a page, as the functions of `eyes` in that page. Must be one function that
// needs nothing around it: it is sent there as text.

export const installEyes = () => {
  const all = selector => Array.from(document.querySelectorAll(selector))

  const withoutWidgets = line => {
    const copy = line.cloneNode(true)
    for (const widget of copy.querySelectorAll('.cm-ySelectionCaret, .cm-placeholder')) {
      widget.remove()
    }
    return copy.textContent
  }

  window.eyes = {
    text: () => all('.cm-line').map(withoutWidgets).join('\n'),

    people: () => all('#people .person').map(({ children: [avatar, name] }) => ({
      name: name.textContent,
      color: getComputedStyle(avatar).backgroundColor
    })),

    cursors: () => all('.cm-ySelectionCaret').map(caret => ({
      name: caret.querySelector('.cm-ySelectionInfo').textContent,
      color: getComputedStyle(caret).backgroundColor
    })),

    names: () => window.eyes.people().map(({ name }) => name),

    status: () => document.querySelector('[role=status]').textContent,

    cutNames: () => {
      const sheet = document.querySelector('.cm-scroller').getBoundingClientRect()
      return all('.cm-ySelectionInfo').map(label => label.getBoundingClientRect())
        .filter(({ left, right }) => left < sheet.left || right > sheet.right).length
    },

    sidewaysScroll: () => document.documentElement.scrollWidth - window.innerWidth,

    // Wait until a condition holds, looking again whenever the page changes.
    until: (condition, seconds) => new Promise((resolve, reject) => {
      const observer = new MutationObserver(() => look())
      const end = settle => {
        observer.disconnect()
        clearTimeout(timer)
        settle()
      }
      const look = () => { if (condition()) end(resolve) }
      const timer = setTimeout(() => end(() => reject(new Error(document.body.innerText))), seconds * 1000)
      observer.observe(document, { attributes: true, characterData: true, childList: true, subtree: true })
      look()
    })
  }
}
