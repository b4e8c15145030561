// Puts the page together.

import * as Y from 'yjs'
import { CheckedAwareness } from './checked-awareness.js'
import { showConnection } from './connection.js'
import { makeEditor } from './editor.js'
import { showHistory } from './history.js'
import { introduceMe } from './me.js'
import { showPeople } from './people.js'
import { joinRoom, roomName } from './room.js'
import { TEXT } from './text.js'

const element = id => document.getElementById(id)

const room = roomName(location)
element('room').textContent = room
document.title = `${room} – Editor`

const doc = new Y.Doc()
const ytext = doc.getText(TEXT)
const undoManager = new Y.UndoManager(ytext)
const provider = joinRoom(room, doc)

showConnection(provider, element('connection'))
introduceMe(provider, element('name'))
showPeople(provider.awareness, { list: element('people'), count: element('count') })

const awareness = new CheckedAwareness(provider.awareness, ytext)
const editor = makeEditor({ ytext, awareness, undoManager, parent: element('text') })
showHistory(undoManager, editor, { undo: element('undo'), redo: element('redo') })
