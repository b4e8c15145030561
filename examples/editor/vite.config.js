import { defineConfig } from 'vite'

export default defineConfig({
  server: {
    // `npm run dev` serves the page; the rooms are those of `python -m examples.editor`.
    proxy: { '/rooms': { target: 'ws://127.0.0.1:8080', ws: true } }
  }
})
