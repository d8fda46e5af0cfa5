import { execFile } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from '@weir/local-stack'
import { expect, it } from 'vitest'
import { Switched } from './switching.ts'

const SECRET = 'the secret of the data actions'
const PATH = '/webhook/cxone-dataaction'
const signed = (body: string) => ({
  'X-Nice-Webhook-Signature': createHmac('sha256', SECRET).update(body).digest('base64'),
})

it('S3-08 switches over with its secret and path: rows follow the growing schema, older ones by backfill', async () => {
  const s3 = await Switched.over('s3', { SOURCE_CXONE_DATAACTION_SECRETS: SECRET })
  const send = (body: string, headers: Record<string, string> = signed(body)) =>
    s3.deliver(PATH, body, headers)
  const event = (id: string, more: object = {}) =>
    JSON.stringify({ id, type: 'dataaction.completed', ...more })
  const rows = () =>
    s3.query<{ id: string; number: number | null; skills: string | null; has: boolean }>(
      `SELECT interaction_id AS id, schema_version_number AS number, attributes ->> 'agent_skills' AS skills,
         attributes ? 'agent_skills' AS has FROM events ORDER BY 1`,
    )
  expect((await send(event('evt-1'))).status).toBe(200)
  await s3.settled(1, 0)
  // Its shape had no number yet when it was written.
  await s3.pipeline.until(async () => (await rows())[0]!.number === 2)
  expect((await send(event('evt-2', { agent_skills: ['Sales'] }))).status).toBe(200)
  // In the gap: the field may not be known yet, and the row has it all the same.
  expect((await send(event('evt-3'))).status).toBe(200)
  expect((await send(event('evt-3'))).status).toBe(200)
  await s3.settled(3, 0)
  await s3.pipeline.until(async () => (await rows()).every(({ has, number }) => has && number !== null))
  expect(await rows()).toEqual([
    { id: 'evt-1', number: 2, skills: null, has: true },
    { id: 'evt-2', number: 3, skills: '["Sales"]', has: true },
    { id: 'evt-3', number: 2, skills: null, has: true },
  ])

  expect(await send(event('evt-4'), {})).toMatchObject({ status: 401 })
  expect(await send('{"cut')).toMatchObject({ status: 400 })
  expect((await send('{"id":"evt-5"}')).text).toContain('Missing required CXone fields: id, type')
  await s3.settled(3, 2)

  // Written before the field was known, as by an earlier version.
  await s3.query(
    `UPDATE events SET attributes = attributes - 'agent_skills', schema_version_number = NULL WHERE interaction_id <> 'evt-2'`,
  )
  const weir = (...args: string[]) =>
    promisify(execFile)(process.execPath, [join(ROOT, 'cli/src/main.ts'), ...args], {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...s3.pipeline.env },
    })
  const counted = await weir('backfill', '--source', 'cxone-dataaction', '--dry-run')
  expect(counted.stdout).toBe('3 rows examined, 2 of cxone-dataaction lack something\n')
  const filled = await weir('backfill', '--source', 'cxone-dataaction')
  expect(filled.stdout).toBe('3 rows examined, 2 of cxone-dataaction were filled\n')
  expect((await rows()).map(({ has, number }) => [has, number])).toEqual([
    [true, 2],
    [true, 3],
    [true, 2],
  ])
})
