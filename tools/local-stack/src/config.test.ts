import { homedir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { cacheFolder, childEnvironment, weirHome } from './config.ts'
import { ROOT } from './folders.ts'

const PLAIN_NAME = /^(PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|TZ|TMPDIR|LC_.*|JAVA_HOME|LD_.*|NODE_.*)$/

it.each([
  [{ WEIR_HOME: '/somewhere', XDG_CACHE_HOME: '/cache' }, '/somewhere', '/cache/weir'],
  [{}, join(ROOT, '.weir'), join(homedir(), '.cache', 'weir')],
  // Not the folder in which the command happens to run.
  [{ WEIR_HOME: '', XDG_CACHE_HOME: '' }, join(ROOT, '.weir'), join(homedir(), '.cache', 'weir')],
])('takes its folders from %j', (env, home, cache) => {
  expect([weirHome(env), cacheFolder(env)]).toEqual([home, cache])
})

it('gives a server nothing of the caller but what programs need to run, whatever the name of a secret', () => {
  const plain = { PATH: '/bin', HOME: '/root', LC_ALL: 'C', TZ: 'UTC' }
  fc.assert(
    fc.property(fc.dictionary(fc.stringMatching(/^[A-Z][A-Z0-9_]{2,20}$/), fc.string()), (others) => {
      const foreign = Object.fromEntries(Object.entries(others).filter(([name]) => !PLAIN_NAME.test(name)))
      expect(childEnvironment({}, false, { ...foreign, ...plain })).toEqual(plain)
    }),
  )
  const env = { SOURCE_CXONE_SECRETS: 'a', PGPASSWORD: 'b', AWS_SECRET_ACCESS_KEY: 'c', LOG_LEVEL: 'debug' }
  expect(childEnvironment({ LOG_LEVEL: 'warn' }, false, { ...env, ...plain })).toEqual({
    ...plain,
    LOG_LEVEL: 'warn',
  })
})

it('gives a tool of the caller all, such as the address of a proxy', () => {
  expect(childEnvironment({ GOBIN: '/b' }, true, { HTTPS_PROXY: 'p' })).toEqual({
    GOBIN: '/b',
    HTTPS_PROXY: 'p',
  })
})
