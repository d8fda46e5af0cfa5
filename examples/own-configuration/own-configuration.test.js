import { createHmac, randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { startDeployment } from '@weir/testkit'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'

const fileOf = (name) => fileURLToPath(new URL(name, import.meta.url))
const SECRET = 'a secret of the helpdesk'
const files = { SOURCES_FILE: fileOf('sources.yaml'), MAPPINGS_FILE: fileOf('mappings.yaml') }

let weir
let database
beforeAll(async () => {
  weir = await startDeployment({
    name: 'helpdesk',
    env: { ...files, SOURCE_HELPDESK_SECRETS: SECRET },
    files: Object.values(files),
  })
  database = new pg.Client({ connectionString: weir.databaseUrl })
  await database.connect()
})
afterAll(async () => {
  await database?.end()
  await weir?.close()
})

const deliver = async (delivery, body, secret = SECRET) => {
  const raw = JSON.stringify(body)
  const { status } = await fetch(`${weir.ingressUrl}/webhooks/helpdesk`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-github-event': 'ticket',
      'x-github-delivery': delivery,
      'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(raw).digest('hex')}`,
    },
    body: raw,
  })
  return status
}

const rows = async () => {
  const result = await database.query('SELECT source, channel, customer_identifier, queue FROM events')
  return result.rows
}

it('stores one row for a ticket that is delivered twice, with the fields that the mapping selects', async () => {
  const ticket = { via: 'email', requester: { email: 'ada@example.com' }, group: 'billing' }
  const delivery = randomUUID()
  expect(await deliver(delivery, { ticket })).toBe(200)
  expect(await deliver(delivery, { ticket })).toBe(200)
  const last = { ticket: { ...ticket, group: 'the last one' } }
  expect(await deliver(randomUUID(), last)).toBe(200)

  const expected = { source: 'helpdesk', channel: 'email', customer_identifier: 'ada@example.com' }
  await expect
    .poll(async () => (await rows()).map((row) => row.queue).toSorted(), { timeout: 60_000 })
    .toEqual(['billing', 'the last one'])
  for (const row of await rows()) expect(row).toMatchObject(expected)
})

it('refuses a request that is signed with another secret', async () => {
  expect(await deliver(randomUUID(), { ticket: {} }, 'a secret of somebody else')).toBe(401)
})
