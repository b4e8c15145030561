// Runs Yjs clients for a test. Each line on stdin is a call; each line on stdout is its reply, or
// an event of a client.

import { createInterface } from 'node:readline'
import { Client } from './client.js'
import { pack, unpack } from './values.js'

// What libraries print must not get between the replies.
console.log = console.error

const clients = new Map()

const tell = message => process.stdout.write(JSON.stringify(message) + '\n')

const calls = {
  async open ({ client, ...where }) {
    const opened = await Client.open(where, (event, detail) =>
      tell({ client, event, detail: pack(detail) }))
    clients.set(client, opened)
    return opened.evaluate('doc.clientID')
  },

  evaluate ({ client, expression, values }) {
    return clients.get(client).evaluate(expression, values)
  },

  until ({ client, expression, expected, seconds }) {
    return clients.get(client).until(expression, expected, seconds)
  }
}

const answer = async ({ id, call, ...details }) => {
  try {
    tell({ id, result: pack(await calls[call](unpack(details))) })
  } catch (error) {
    tell({ id, error: String(error?.stack ?? error) })
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  answer(JSON.parse(line))
}
process.exit()
