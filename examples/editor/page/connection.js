// Tells whether the page is connected.

const WORDS = {
  connecting: 'Connecting…',
  connected: 'Connected',
  offline: 'Offline – keep writing, it will be merged'
}

export const showConnection = (provider, element) => {
  const show = state => {
    // A live region is read out whenever it is written.
    if (element.textContent === WORDS[state]) return
    element.dataset.state = state
    element.textContent = WORDS[state]
  }
  show('connecting')
  provider.on('sync', isSynced => { if (isSynced) show('connected') })
  provider.on('connection-close', () => show('offline'))
}
