import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { portVariable, SERVICE_NAMES } from '@weir/contracts'
import { ROOT } from '@weir/local-stack'
import { describe, expect, it } from 'vitest'
import { ALL_SERVICES } from './all-services.ts'
import { settingNames, settingsReference } from './settings-reference.ts'

it('has a folder for each service of the registry, and no other', () => {
  expect(readdirSync(join(ROOT, 'services')).toSorted()).toEqual([...SERVICE_NAMES].toSorted())
  expect(ALL_SERVICES.map(({ name }) => name)).toEqual(SERVICE_NAMES)
})

describe.each(ALL_SERVICES)('$name', { concurrent: true }, ({ name, settings }) => {
  it('takes its port from the registry', () => {
    const { schema } = Object.values(settings).find(({ env }) => env === portVariable(name))!
    expect(schema.safeParse('0').success).toBe(true)
  })

  it('has every setting in the reference', () => {
    for (const { env } of Object.values(settings)) {
      expect(settingNames()).toContain(env)
      expect(settingsReference()).toContain(`| \`${env}\` `)
    }
  })

  it('ends with exit code 2 and one message that names each bad setting', async () => {
    const child = spawn(process.execPath, [join(ROOT, 'services', name, 'src/main.ts')], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, LOG_LEVEL: 'loud', [portVariable(name)]: 'none' },
    })
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit') as Promise<[number | null]>,
    ])
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr.match(/the configuration cannot be used/g)).toHaveLength(1)
    for (const setting of ['LOG_LEVEL', portVariable(name)]) expect(stderr).toContain(setting)
    expect(stderr).not.toMatch(/^ +at /m)
  })
})

describe('docs/guides/add-a-service.md', () => {
  const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
  const guide = read('docs/guides/add-a-service.md')
  const steps = [...guide.matchAll(/^\d+\. `([^`]+)`(?: and `([^`]+)`)?/gm)].flatMap((match) =>
    match.slice(1).flatMap((path: string | undefined) => path ?? []),
  )

  it.each(SERVICE_NAMES)('names the files that %s has or is named in', (name) => {
    expect(steps).toHaveLength(11)
    for (const step of steps) {
      const text = read(step.replace('<name>', name))
      // Each simulator is its own provider: it has no user of Kafka.
      if (step === 'docs/operations/security.md' && name === 'simulator') continue
      if (!step.includes('<name>')) expect([step, text.includes(name)]).toEqual([step, true])
    }
  })

  it('names every file outside the folder of a service that lists all services', () => {
    const files = globSync('**/*.{ts,mjs,json,yml}', {
      cwd: ROOT,
      exclude: (path) => /(^|\/)(node_modules|\.[a-z]+)$/.test(path),
    })
    const lists = files.filter((file) => {
      if (/^services\/|\.test\.ts$|pnpm-lock|package\.json$/.test(file)) return false
      const text = read(file)
      return SERVICE_NAMES.every((name) => new RegExp(`['"/\\s]${name}['":\\s]`).test(text))
    })
    expect(lists.filter((file) => !steps.includes(file))).toEqual([])
  })
})
