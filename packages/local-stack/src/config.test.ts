import { homedir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { cacheFolder, childEnvironment, weirHome } from './config.ts'
import { ROOT } from './folders.ts'

it.each([
  [{ WEIR_HOME: '/somewhere', XDG_CACHE_HOME: '/cache' }, '/somewhere', '/cache/weir'],
  [{}, join(ROOT, '.weir'), join(homedir(), '.cache', 'weir')],
  // Not the folder in which the command happens to run.
  [{ WEIR_HOME: '', XDG_CACHE_HOME: '' }, join(ROOT, '.weir'), join(homedir(), '.cache', 'weir')],
])('takes its folders from %j', (env, home, cache) => {
  expect([weirHome(env), cacheFolder(env)]).toEqual([home, cache])
})

it('keeps what is meant for Weir from the servers, unless a child is given it', () => {
  const env = { LOG_LEVEL: 'debug', PATH: '/bin' }
  expect(childEnvironment({}, env)).toEqual({ PATH: '/bin' })
  expect(childEnvironment({ LOG_LEVEL: 'warn' }, env)).toEqual({ LOG_LEVEL: 'warn', PATH: '/bin' })
})
