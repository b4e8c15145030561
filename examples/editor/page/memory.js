// The name that was last entered in this browser, which may forbid a page to remember anything.

const KEY = 'ywire-editor-name'

export const nameInMemory = {
  get () {
    try {
      return localStorage.getItem(KEY) || null
    } catch {
      return null
    }
  },

  set (name) {
    try {
      localStorage.setItem(KEY, name)
    } catch {}
  }
}
