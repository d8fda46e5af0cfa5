import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { TOKEN } from '../testing/model-api.ts'

/** 60% of the 512 MB that Compose gives. */
const HEAP_MB = 307
const RSS_MB_MAX = 400
const LETTERS = 100_000
/** Together far more than the process may take. */
const BODY_BYTES = 4_000
const MAIN = join(import.meta.dirname, '../testing/export-main.ts')

it('exports 100,000 letters of large bodies to a slow reader with the heap that Compose gives', async () => {
  const args = [`--max-old-space-size=${HEAP_MB}`, MAIN, String(LETTERS), String(BODY_BYTES)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  child.stdout.setEncoding('utf8')
  const [port] = (await once(child.stdout, 'data')) as [string]
  const url = `http://127.0.0.1:${port.trim()}/v1/letters/export?stage=normalizer`
  const response = await fetch(url, { headers: { authorization: `Bearer ${TOKEN}` } })
  let lines = 0
  let bytes = 0
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    // Long enough that all would be collected by then.
    if (bytes === 0) await sleep(3_000)
    bytes += chunk.length
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines += 1
  }
  child.kill('SIGTERM')
  const [peakKb] = (await once(child.stdout, 'data')) as [string]
  expect(lines).toBe(LETTERS)
  expect(bytes).toBeGreaterThan(LETTERS * BODY_BYTES)
  expect(Number(peakKb) / 1_024).toBeLessThan(RSS_MB_MAX)
  console.info(`${(bytes / 1e6).toFixed(0)} MB exported, peak ${(Number(peakKb) / 1_024).toFixed(0)} MB`)
}, 180_000)
