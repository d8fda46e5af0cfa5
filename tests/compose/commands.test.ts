import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const MAINS = {
  bench: 'bench/src/main.ts',
  faults: 'tests/faults/src/main.ts',
  security: 'tests/security/src/main.ts',
  containers: 'tools/containers/main.ts',
  'test:e2e': 'tools/containers/e2e.ts',
  'testkit:pack': 'tools/testkit/pack.ts',
}
/** Enough to print a text, not to start anything; on a busy machine. */
const MS_MAX = 60_000

const call = async (main: string, ...args: string[]) => {
  const child = spawn(process.execPath, [main, ...args], { cwd: ROOT, timeout: MS_MAX / 2 })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, out, err }
}

it.each(Object.entries(MAINS))(
  'npm run %s prints what it takes with --help, and runs nothing',
  { timeout: MS_MAX },
  async (name, main) => {
    const { code, out, err } = await call(main, '--help')
    expect([code, err]).toEqual([0, ''])
    expect(out).toMatch(new RegExp(`^(npm run ${name}|Usage: ${name})`))
  },
)

/** What the end-to-end tests do not take themselves is for Vitest to judge. */
const STRICT = Object.entries(MAINS).filter(([name]) => name !== 'test:e2e')

it.each(STRICT)(
  'npm run %s is a wrong call with an option that it does not have',
  { timeout: MS_MAX },
  async (_name, main) => {
    const { code, out, err } = await call(main, '--no-such-option')
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(/no-such-option|Benchmarks:/)
  },
)
