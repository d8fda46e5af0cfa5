import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { service as dedup } from '@weir/dedup'
import { freePorts } from '@weir/local-stack'
import { expect, it, onTestFinished, vi } from 'vitest'
import { secondProcess } from './dev-command.ts'
import { runProgram } from '../program.ts'

it('gives a second process a free port and a folder of its own, and every other setting of the first', async () => {
  const [port, taken] = (await freePorts(2)) as [number, number]
  const server = createServer().listen(taken, '127.0.0.1')
  onTestFinished(() => void server.close())
  const env = { KAFKA_BROKERS: 'a:1', STATE_DIR: '/state', OTHER_PORT: String(taken) }
  const free = await secondProcess(dedup.settings, { ...env, DEDUP_PROBE_PORT: String(port) })
  expect(free).toEqual({ ...env, STATE_DIR: '/state-dev', DEDUP_PROBE_PORT: String(port) })
  const moved = await secondProcess(dedup.settings, { ...env, DEDUP_PROBE_PORT: String(taken) })
  expect(moved.DEDUP_PROBE_PORT).toMatch(/^\d+$/)
  expect(moved.DEDUP_PROBE_PORT).not.toBe(String(taken))
})

it.each([
  ['a service that does not exist', ['dev', 'deduper'], /Allowed choices are ingress, dedup,/],
  ['to start without settings', ['dev', 'dedup'], /KAFKA_BROKERS is not set[^]*none runs in WEIR_HOME/],
])('refuses %s', async (_, args, message) => {
  const home = mkdtempSync(join(tmpdir(), 'weir-dev-'))
  onTestFinished(() => rmSync(home, { recursive: true }))
  vi.stubEnv('WEIR_HOME', home)
  let text = ''
  vi.spyOn(process.stderr, 'write').mockImplementation((part) => ((text += String(part)), true))
  onTestFinished(() => void vi.unstubAllEnvs())
  onTestFinished(() => void vi.restoreAllMocks())
  expect(await runProgram(args)).toBe(2)
  expect(text).toMatch(message)
})
