// What the package's own src/server.js does, which does not say "ready"; ends when its input does.

import http from 'node:http'
import process from 'node:process'
import WebSocket from 'ws'
import { setupWSConnection } from '@y/websocket-server/utils'

const sockets = new WebSocket.Server({ noServer: true })
sockets.on('connection', setupWSConnection)

const server = http.createServer((_request, response) => response.end('okay'))
server.on('upgrade', (request, socket, head) => {
  sockets.handleUpgrade(request, socket, head, websocket => {
    sockets.emit('connection', websocket, request)
  })
})
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'))
process.stdin.on('end', () => process.exit()).resume()
