// What y-codemirror.next gets to see of an awareness. It trusts what others say: it would put any
// text into a style, and one position that makes no sense would end the showing of all cursors.

import * as Y from 'yjs'
import { shade } from './colors.js'
import { personIn } from './person.js'
import { TEXT } from './text.js'

export class CheckedAwareness {
  constructor (awareness, ytext) {
    this.awareness = awareness
    this.ytext = ytext
  }

  get doc () {
    return this.awareness.doc
  }

  on (event, listener) {
    this.awareness.on(event, listener)
  }

  off (event, listener) {
    this.awareness.off(event, listener)
  }

  // While this page is away somebody else may have told a state of it, which it then gets back.
  getLocalState () {
    const state = this.awareness.getLocalState()
    return state && { ...state, cursor: this.cursorIn(state) }
  }

  setLocalStateField (field, value) {
    this.awareness.setLocalStateField(field, value)
  }

  getStates () {
    const states = Array.from(this.awareness.getStates())
    return new Map(states.map(([client, state]) => [client, this.check(client, state)]))
  }

  check (client, state) {
    const { name, color } = personIn(state)
    // It takes two cursors of one colour for the same, and would not notice another name.
    return { user: { name, color: shade(color, `${client} ${name}`) }, cursor: this.cursorIn(state) }
  }

  cursorIn (state) {
    const anchor = this.positionIn(state?.cursor?.anchor)
    const head = this.positionIn(state?.cursor?.head)
    return anchor && head && { anchor, head }
  }

  positionIn (json) {
    try {
      const { item, assoc, tname } = json
      const position = Y.createRelativePositionFromJSON({
        item,
        assoc,
        // A name that the document does not have would be added to it.
        tname: tname === TEXT ? TEXT : null
      })
      const { type, index } = Y.createAbsolutePositionFromRelativePosition(position, this.doc)
      return type === this.ytext && Number.isInteger(index) ? position : null
    } catch {
      return null
    }
  }
}
