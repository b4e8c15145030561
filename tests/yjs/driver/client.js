// One Yjs client: a document, and a provider that connects it to a server.

import { EventEmitter, once } from 'node:events'
import { isDeepStrictEqual } from 'node:util'
import { generations } from './generations.js'
import { pack } from './values.js'

export class Client {
  static async open ({ generation, url, room, options }, onEvent) {
    const { Y, makeProvider, events, start } = await generations[generation]()
    const doc = new Y.Doc()
    const provider = makeProvider(url, room, doc, options)
    const client = new Client({ Y, doc, provider, awareness: provider.awareness })
    client.forward(events, onEvent)
    start(provider)
    return client
  }

  constructor (names) {
    this.names = names
    this.changes = new EventEmitter()
    this.notice(names.doc, 'update')
    this.notice(names.awareness, 'update')
  }

  forward (events, onEvent) {
    for (const [name, detailOf] of Object.entries(events)) {
      this.names.provider.on(name, event => onEvent(name, detailOf(event)))
      this.notice(this.names.provider, name)
    }
  }

  notice (observable, name) {
    observable.on(name, () => this.changes.emit('change'))
  }

  evaluate (expression, values) {
    const names = { ...this.names, ...values }
    return new Function(...Object.keys(names), `return (${expression})`)(...Object.values(names))
  }

  // Wait until an expression has a value, looking at it after every change.
  async until (expression, expected, seconds) {
    const deadline = AbortSignal.timeout(seconds * 1000)
    for (;;) {
      const value = pack(this.evaluate(expression))
      const met = isDeepStrictEqual(value, pack(expected))
      if (met || deadline.aborted) return { met, value }
      await once(this.changes, 'change', { signal: deadline }).catch(() => {})
    }
  }
}
