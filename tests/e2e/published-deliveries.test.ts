import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sign } from '@octokit/webhooks-methods'
import { eventKeyOf } from '@weir/contracts'
import { expect, it, onTestFinished } from 'vitest'
import { Switched } from './switching.ts'

const SECRET = 'the secret of the published deliveries'
const AT_ONCE = 20

interface PublishedEvents {
  readonly name: string
  readonly examples: readonly object[]
}

interface Delivery {
  readonly name: string
  readonly id: string
  readonly body: string
}

/**
 * Every example under an id of its own, indented by at least `indentMin`. Some are there twice, and so in other
 * spellings.
 */
const published = (indentMin: number): readonly Delivery[] => {
  const events = createRequire(import.meta.url)('@octokit/webhooks-examples') as readonly PublishedEvents[]
  return events.flatMap(({ name, examples }) =>
    examples.map((example, at) => ({
      name,
      id: randomUUID(),
      body: JSON.stringify(example, null, indentMin + (at % 3)),
    })),
  )
}

const sourcesFile = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-published-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'sources.yaml')
  writeFileSync(file, 'version: 1\nsources:\n  github: { preset: github }\n')
  return file
}

it("stores GitHub's published deliveries byte for byte and once each, and finds no new shape in other spellings", async () => {
  const github = await Switched.over('github', { SOURCES_FILE: sourcesFile(), SOURCE_GITHUB_SECRETS: SECRET })
  const send = async ({ name, id, body }: Delivery) => {
    const answer = await github.deliver('/webhooks/github', body, {
      'x-github-event': name,
      'x-github-delivery': id,
      'x-hub-signature-256': await sign(SECRET, body),
    })
    expect(answer.status, `${name} ${id}: ${answer.text}`).toBe(200)
  }
  const sendAll = async (deliveries: readonly Delivery[]) => {
    for (let at = 0; at < deliveries.length; at += AT_ONCE) {
      await Promise.all(deliveries.slice(at, at + AT_ONCE).map(send))
    }
  }
  const rowsAre = async (deliveries: readonly Delivery[]) => {
    await github.settled(deliveries.length, 0)
    const rows = await github.query<{ key: Buffer; raw: Buffer; isSame: boolean }>(
      `SELECT event_key AS key, raw, payload = convert_from(raw, 'UTF8')::jsonb AS "isSame" FROM events`,
    )
    const bodies = new Map(rows.map(({ key, raw }) => [key.toString('hex'), raw.toString()]))
    for (const { name, id, body } of deliveries) {
      expect(bodies.get(eventKeyOf('github', id).toString('hex')), `${name} ${id}`).toBe(body)
    }
    expect(rows.filter(({ isSame }) => !isSame)).toEqual([])
  }
  const versions = async () => {
    // A row that comes before its shape has a number gets it later.
    await github.pipeline.until(
      async () =>
        (await github.query('SELECT 1 FROM events WHERE schema_version_number IS NULL')).length === 0,
    )
    return github.query<{ type: string; newest: number }>(
      'SELECT event_type AS type, max(schema_version_number) AS newest FROM events GROUP BY 1 ORDER BY 1',
    )
  }

  const first = published(0)
  expect(first.length).toBeGreaterThan(300)
  await sendAll(first)
  await sendAll(first)
  await rowsAre(first)
  const known = await versions()
  const second = published(3)
  await sendAll(second)
  await rowsAre([...first, ...second])
  expect(await versions()).toEqual(known)
})
