import { spawnSync } from 'node:child_process'
import { afterEach, expect, it } from 'vitest'
import { ConfigError } from '../settings/config.ts'
import { armFailpoints, failpoint, FailpointError, hasFailpoints } from './failpoint.ts'

const dev = (FAILPOINT: string) => ({ WEIR_PROFILE: 'dev', FAILPOINT })

afterEach(() => armFailpoints({}))

it('does nothing when no failpoint or another one is armed', () => {
  armFailpoints({})
  expect(hasFailpoints()).toBe(false)
  failpoint('a.b')
  armFailpoints(dev('a.c:throw:1'))
  expect(hasFailpoints()).toBe(true)
  failpoint('a.b')
})

it('throws at the n-th pass, once', () => {
  armFailpoints(dev('a.b:throw:3'))
  failpoint('a.b')
  failpoint('a.b')
  expect(() => failpoint('a.b')).toThrow(FailpointError)
  failpoint('a.b')
})

it('arms several failpoints, also with the same name', () => {
  armFailpoints(dev('a.b:throw:1,a.b:throw:2,c:throw:1'))
  expect(() => failpoint('a.b')).toThrow(FailpointError)
  expect(() => failpoint('a.b')).toThrow(FailpointError)
  expect(() => failpoint('c')).toThrow(FailpointError)
})

it('only reports on stderr with the action tell', () => {
  const script = `
    const { armFailpoints, failpoint } = await import('./failpoint.ts')
    armFailpoints(process.env)
    for (let i = 0; i < 3; i++) failpoint('a.b')`
  const child = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
    env: { ...process.env, ...dev('a.b:tell:2') },
  })
  expect(child.status).toBe(0)
  expect(JSON.parse(child.stderr)).toMatchObject({ failpoint: 'a.b', action: 'tell', pass: 2 })
})

it('stops the whole process while it pauses', () => {
  armFailpoints(dev('a.b:pause:1:50'))
  const startedAt = performance.now()
  failpoint('a.b')
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(49)
})

it.each([
  ['at once', 'a.b:kill:2', 'one\n'],
  ['some time later', 'a.b:kill:2:20', 'one\ntwo\n'],
])('kills its process %s, with a line on stderr', (_, value, printed) => {
  const script = `
    const { armFailpoints, failpoint } = await import('./failpoint.ts')
    const { writeSync } = await import('node:fs')
    armFailpoints(process.env)
    failpoint('a.b')
    writeSync(1, 'one\\n')
    failpoint('a.b')
    writeSync(1, 'two\\n')
    setTimeout(() => writeSync(1, 'too late\\n'), 5000)`
  const child = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
    env: { ...process.env, ...dev(value) },
  })
  expect(child.signal).toBe('SIGKILL')
  expect(child.stdout).toBe(printed)
  expect(JSON.parse(child.stderr)).toMatchObject({ failpoint: 'a.b', action: 'kill', pass: 2 })
})

it.each(['a.b', 'a.b:kill', 'a.b:kill:x', 'a.b:pause:1', 'a.b:explode:1'])('refuses %s', (value) => {
  expect(() => armFailpoints(dev(value))).toThrow(/FAILPOINT has .*name:kill:n/)
})

it.each(['FAILPOINT', 'WEIR_DEFECT'])('refuses %s outside the dev profile', (name) => {
  for (const env of [{ [name]: 'a.b:kill:1' }, { [name]: 'x', WEIR_PROFILE: 'production' }]) {
    expect(() => armFailpoints(env)).toThrow(ConfigError)
    expect(() => armFailpoints(env)).toThrow(name)
  }
})
