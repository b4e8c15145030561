// Hocuspocus with its default options, quiet and without extensions; ends when its input does.

import process from 'node:process'
import { Server } from '@hocuspocus/server'

const port = Number(process.argv[2])
const server = new Server({ address: '127.0.0.1', port, quiet: true, stopOnSignals: false })
await server.listen()
console.log('ready')
process.stdin.on('end', () => process.exit()).resume()
