import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { envExample, settingsReference } from './settings-reference.ts'

const committed = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

describe('the reference of settings', () => {
  it('is up to date: run `npm run --silent weir -- settings > docs/operations/configuration.md`', () => {
    expect(committed('docs/operations/configuration.md')).toBe(settingsReference())
  })

  it('shows which settings are required, which values are allowed and which are secret', () => {
    const lines = settingsReference().split('\n')
    const lineOf = (variable: string): string => lines.find((line) => line.startsWith(`| \`${variable}\``))!
    expect(lineOf('KAFKA_BROKERS')).toMatch(/\| \*\*must be set\*\* +\| list, separated by commas +\|/)
    expect(lineOf('TOPIC_PARTITIONS')).toMatch(/\| `12` +\| whole number from 1 to 1000 +\|/)
    expect(lineOf('WEIR_PROFILE')).toMatch(/\| `production` +\| one of production, dev +\|/)
    expect(lineOf('SOURCE_CXONE_SECRETS')).toMatch(/Also as `CXONE_WEBHOOK_SECRET`\. Secret\. +\|$/)
  })
})

describe('.env.example', () => {
  it('is up to date: run `npm run --silent weir -- settings --env > .env.example`', () => {
    expect(committed('.env.example')).toBe(envExample())
  })

  it('sets nothing', () => {
    const set = envExample()
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
    expect(set).toEqual([])
  })
})
