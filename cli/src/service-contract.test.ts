import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
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
