import { madeLetters, modelApi } from './model-api.ts'

/**
 * `export-main.ts <letters> <bytes of a body>`: runs the API as a process. Prints its port, and its peak memory at
 * SIGTERM.
 */
const [, , count, bytes] = process.argv
const { app } = modelApi(madeLetters(Number(count), Number(bytes)))
await app.listen({ host: '127.0.0.1', port: 0 })
const address = app.server.address()
process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`)
process.on('SIGTERM', () => {
  process.stdout.write(`${process.resourceUsage().maxRSS}\n`)
  process.exit()
})
