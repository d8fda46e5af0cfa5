import { madeLetters, modelApi } from './model-api.ts'

/** `export-main.ts <letters> <bytes of a body>`: the API in a process of its own. Says its port; its peak at SIGTERM. */
const [, , count, bytes] = process.argv
const { app } = modelApi(madeLetters(Number(count), Number(bytes)))
await app.listen({ host: '127.0.0.1', port: 0 })
const address = app.server.address()
process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`)
process.on('SIGTERM', () => {
  process.stdout.write(`${process.resourceUsage().maxRSS}\n`)
  process.exit()
})
