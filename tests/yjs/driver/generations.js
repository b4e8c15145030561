// How a client of each generation is made, and which events of its provider are told.

import WebSocket from 'ws'

const yWebsocket = (Y, { WebsocketProvider }) => ({
  Y,
  events: {
    status: ({ status }) => status,
    sync: isSynced => isSynced,
    'connection-close': event => event?.code,
    'connection-error': event => event.message,
    closed: ({ code }) => code
  },
  makeProvider: (url, room, doc, options) => new WebsocketProvider(url, room, doc, {
    WebSocketPolyfill: WebSocket,
    disableBc: true,
    ...options,
    // Otherwise the first events come before anybody can listen.
    connect: false
  }),
  start: provider => provider.connect()
})

const hocuspocus = (Y, { HocuspocusProvider }) => ({
  Y,
  events: {
    status: ({ status }) => status,
    close: ({ event }) => event.code
  },
  makeProvider: (url, name, document, options) =>
    new HocuspocusProvider({ url, name, document, WebSocketPolyfill: WebSocket, ...options }),
  start: () => {}
})

export const generations = {
  13: async () => yWebsocket(await import('yjs'), await import('y-websocket')),
  14: async () => yWebsocket(await import('@y/y'), await import('@y/websocket')),
  hocuspocus: async () => hocuspocus(await import('yjs'), await import('@hocuspocus/provider'))
}
