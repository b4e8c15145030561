// Opens pages in Chromium for a test. Each line on stdin is a call; each line on stdout its reply.

import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'
import { installEyes } from './eyes.js'

const [executablePath] = process.argv.slice(2)

const browser = await chromium.launch({
  executablePath,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'
  ]
})

const pages = new Map()

// A page that is offline tries again and again, and the browser reports each failure.
const isLostConnection = message => message.text().startsWith('WebSocket connection to')

const calls = {
  // Each page has a context of its own: to the others it is another person's browser.
  async open ({ page: name, url, viewport }) {
    const context = await browser.newContext({ viewport })
    await context.addInitScript(installEyes)
    const page = await context.newPage()
    const faults = []
    page.on('pageerror', error => faults.push(String(error.stack)))
    page.on('console', message => {
      if (message.type() === 'error' && !isLostConnection(message)) faults.push(message.text())
    })
    pages.set(name, { context, page, faults })
    await page.goto(url)
  },

  evaluate: ({ page, expression }) => pages.get(page).page.evaluate(expression),

  press: ({ page, keys }) => pages.get(page).page.locator('.cm-content').press(keys),

  // The delay between two keystrokes is in milliseconds.
  type: ({ page, text, delay }) => pages.get(page).page.keyboard.type(text, { delay }),

  fill: ({ page, label, text }) => pages.get(page).page.getByLabel(label).fill(text),

  click: ({ page, button }) =>
    pages.get(page).page.getByRole('button', { name: button, exact: true }).click(),

  setOffline: ({ page, isOffline }) => pages.get(page).context.setOffline(isOffline),

  reload: ({ page }) => pages.get(page).page.reload().then(() => {}),

  screenshot: ({ page, path }) => pages.get(page).page.screenshot({ path }).then(() => {}),

  faults: ({ page }) => pages.get(page).faults,

  close: ({ page }) => pages.get(page).context.close()
}

const answer = async ({ id, call, ...details }) => {
  const reply = { id }
  try {
    reply.result = await calls[call](details) ?? null
  } catch (error) {
    reply.error = String(error.message)
  }
  process.stdout.write(JSON.stringify(reply) + '\n')
}

for await (const line of createInterface({ input: process.stdin })) {
  answer(JSON.parse(line))
}
await browser.close()
