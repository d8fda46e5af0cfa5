import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createProgram, runProgram } from './program.ts'

const MAIN = join(import.meta.dirname, 'main.ts')
const LINES = 20_000
const LINE = 'x'.repeat(150)

/** Stands for a replay service with more letters than any pipe holds. */
const server = createServer((request, response) => {
  if (request.url!.startsWith('/v1/letters/export')) return response.end(`${LINE}\n`.repeat(LINES))
  const letters = Array.from({ length: LINES }, (_, offset) => ({
    partition: 0,
    offset,
    lastFailedAt: 0,
    error: LINE,
    id: offset,
    counts: { LINE },
  }))
  if (request.url!.startsWith('/v1/letters?')) return response.end(JSON.stringify({ letters }))
  if (request.url!.startsWith('/v1/jobs?')) return response.end(JSON.stringify({ jobs: letters }))
  return response.writeHead(400).end(JSON.stringify({ error: 'limit: too much' }))
})
const folder = mkdtempSync(join(tmpdir(), 'weir-program-'))
afterAll(() => {
  server.close()
  rmSync(folder, { recursive: true })
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const REPLAY_URL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

/** A process of its own, as a shell starts it. */
const weir = (...args: string[]) =>
  spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env.PATH, WEIR_HOME: folder, REPLAY_URL, NODE_COMPILE_CACHE: join(folder, 'cache') },
  })

/** What a command says and how it ends, in this process. */
const run = async (...args: string[]) => {
  let out = ''
  let err = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true))
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += String(text)), true))
  process.exitCode = 0
  const code = await runProgram(args)
  process.exitCode = 0
  vi.restoreAllMocks()
  return { code, out, err }
}

beforeEach(() => {
  for (const name of ['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL', 'DATABASE_URL']) vi.stubEnv(name, undefined)
  vi.stubEnv('WEIR_HOME', folder)
  vi.stubEnv('REPLAY_URL', REPLAY_URL)
})
afterEach(() => vi.unstubAllEnvs())

describe('output', () => {
  it.each([
    [['dlq', 'export', 'dedup'], LINES],
    [['dlq', 'ls', 'dedup'], LINES + 1],
    [['dlq', 'jobs'], LINES + 1],
  ])('%j is complete for a reader that is slower than the command', async (args, lines) => {
    const child = weir(...args)
    // Long after all was written, as far as the pipe took it.
    await once(child.stdout, 'readable')
    await sleep(1_000)
    let text = ''
    for await (const chunk of child.stdout.setEncoding('utf8') as AsyncIterable<string>) {
      text += chunk
      if (Math.random() < 0.02) await sleep(5)
    }
    expect(text.length).toBeGreaterThan(1_000_000)
    expect(text.trimEnd().split('\n')).toHaveLength(lines)
  })

  it('a reader that closes the pipe ends the command silently', async () => {
    const child = weir('dlq', 'export', 'dedup')
    let err = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
    await once(child.stdout, 'data')
    child.stdout.destroy()
    expect([await once(child, 'close'), err]).toEqual([[0, null], ''])
  })
})

describe('calls', () => {
  it.each([
    [['no-such-command'], /unknown command 'no-such-command'/],
    [['dlq'], /Usage: weir dlq/],
    [['dlq', 'ls'], /missing required argument 'stage'/],
    [['schema', 'ls', '--loud'], /unknown option '--loud'/],
    [['sources', 'verify'], /--source/],
    [['sources', 'register', 'nothing'], /Allowed choices/],
    [['dedup', 'repartition', '--to', 'many'], /must be a whole number/],
    [['start', '--rate', 'fast'], /must be a number/],
    [['completion', 'tcsh'], /Allowed choices/],
    [['--env-file', '/no/such/file', 'dlq', 'jobs'], /--env-file .*ENOENT/],
    [['dlq', 'show', 'dedup', 'first'], /partition\/offset/],
    [['dlq', 'show', 'dedup', '0/1'], /limit: too much/],
    [['dlq', 'discard', 'dedup'], /every pending letter of dedup.*--yes/],
    [['dlq', 'replay', 'dedup', '--fix-up', '/no/such/file'], /--fix-up .*ENOENT/],
    [['mapping', 'test', '/no/such/file', '--source', 'cxone'], /cannot be read \(ENOENT\)/],
    [['topics'], /KAFKA_BROKERS is not set/],
    [['audit'], /SCHEMA_REGISTRY_URL is not set/],
    [['schema', 'ls'], /KAFKA_BROKERS is not set/],
    [['dedup', 'rebuild-state', '--partition', '0'], /BODY_HASH_KEY|KAFKA_BROKERS/],
  ])('%j is a wrong one: exit code 2, and no stack', async (args, message) => {
    const { code, err } = await run(...args)
    expect([code, err]).toEqual([2, expect.stringMatching(message)])
    expect(err).not.toMatch(/^ +at /m)
  })

  it('missing settings come with a hint at `npm start`, unless a file gives the settings', async () => {
    const hint = /none runs in WEIR_HOME/
    expect((await run('topics')).err).toMatch(hint)
    const file = join(folder, 'none.env')
    writeFileSync(file, '')
    const { code, err } = await run('--env-file', file, 'topics')
    expect([code, err]).toEqual([2, expect.stringMatching(/KAFKA_BROKERS is not set/)])
    expect(err).not.toMatch(hint)
    expect((await run('dlq', 'show', 'dedup', 'first')).err).not.toMatch(hint)
  })

  it('an unreachable server gives exit code 1 and no stack', async () => {
    const { code, err } = await run('partitions', 'ls', '--service', 'dedup', '--env-file', ports())
    expect([code, err]).toEqual([1, 'dedup does not respond on port 1: set DEDUP_PROBE_PORT.\n'])
  })

  it('reads an env file, which the environment overrides', async () => {
    const file = join(folder, 'other.env')
    writeFileSync(file, 'REPLAY_URL=http://127.0.0.1:1\nREPLAY_TOKEN=u\n')
    expect((await run('--env-file', file, 'dlq', 'jobs')).code).toBe(0)
    writeFileSync(file, 'DEDUP_PROBE_PORT=2\n')
    expect((await run('partitions', 'ls', '--service', 'dedup', '--env-file', file)).err).toMatch(/port 2/)
  })

  it('prints its version, and completes its commands', async () => {
    expect((await run('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/)
    for (const shell of ['bash', 'zsh', 'fish']) {
      expect((await run('completion', shell)).out).toMatch(/repartition/)
    }
    const script = join(folder, 'completion.bash')
    writeFileSync(script, (await run('completion', 'bash')).out)
    const complete = `source ${script}; COMP_WORDS=(weir dlq re); COMP_CWORD=2; _weir; echo "\${COMPREPLY[*]}"`
    const child = spawn('bash', ['-c', complete])
    expect(String((await once(child.stdout, 'data'))[0])).toBe('replay\n')
  })
})

const ports = (): string => {
  const file = join(folder, 'ports.env')
  writeFileSync(file, 'DEDUP_PROBE_PORT=1\n')
  return file
}

it('foreign text cannot control a terminal, in any table', async () => {
  const evil = '\u001b[2J\u009b1m\n\r\u0007\u202eabc\u2028'
  const other = createServer((_, response) => {
    response.end(
      JSON.stringify({ letters: [{ partition: 0, offset: 1, lastFailedAt: 0, key: evil, error: evil }] }),
    )
  })
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  vi.stubEnv('REPLAY_URL', `http://127.0.0.1:${(other.address() as AddressInfo).port}`)
  const { out } = await run('dlq', 'ls', 'dedup')
  other.close()
  expect(out.trimEnd().split('\n')).toHaveLength(2)
  expect(out).toMatch(/^[\u0020-\u007e\n]+$/)
  expect(out).toContain(String.raw`\u001b[2J\u009b1m\u000a\u000d\u0007\u202eabc\u2028`)
})

/** What a script may want to read: lists, and verdicts on what it was given. */
const READ_BY_SCRIPTS = ['ls', 'jobs', 'check', 'test', 'offsets show', 'shared-settings']

it('every command whose output a script may want to read has --json', () => {
  const nameOf = (command: Command): string =>
    command.parent?.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name()
  const withAll = (command: Command): readonly Command[] => [command, ...command.commands.flatMap(withAll)]
  const wanted = createProgram()
    .commands.flatMap(withAll)
    .filter((command) => READ_BY_SCRIPTS.some((name) => [nameOf(command), command.name()].includes(name)))
  expect(wanted.length).toBeGreaterThan(8)
  const without = wanted.filter(({ options }) => !options.some(({ long }) => long === '--json'))
  expect(without.map(nameOf)).toEqual([])
})

it('each error of a sources file is one line, and one element of the JSON', async () => {
  const file = join(folder, 'bad.yaml')
  writeFileSync(file, 'version: 1\nsources:\n  a: { preset: github, paths: x }\n  b: { preset: none }\n')
  const shown = await run('sources', 'check', file)
  expect([shown.code, shown.out]).toEqual([
    1,
    expect.stringMatching(/^.*sources\.a\..*\n.*sources\.b\..*\n$/),
  ])
  const { problems } = JSON.parse((await run('sources', 'check', '--json', file)).out) as {
    problems: string[]
  }
  expect(problems).toEqual(shown.out.trimEnd().split('\n'))
})
