// Which room the page is about, and the way into it.

import { WebsocketProvider } from 'y-websocket'

const DEFAULT_ROOM = 'lobby'

export const roomName = ({ search }) =>
  new URLSearchParams(search).get('room') || DEFAULT_ROOM

export const joinRoom = (room, doc) => {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
  const provider = new WebsocketProvider(
    `${scheme}://${location.host}/rooms`,
    encodeURIComponent(room),
    doc,
    // What other tabs of this browser write comes over the wire, like everybody's.
    { disableBc: true }
  )
  reconnectWhenNetworkChanges(provider)
  return provider
}

// Otherwise it would take y-websocket 30 s to notice that a connection has gone dead.
const reconnectWhenNetworkChanges = provider => {
  for (const change of ['offline', 'online']) {
    addEventListener(change, () => {
      provider.disconnect()
      provider.connect()
    })
  }
}
