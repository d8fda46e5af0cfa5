import { createHmac } from 'node:crypto'
import { testServers } from '@weir/testkit'
import { expect, it } from 'vitest'
import { Switched } from './switching.ts'

const SECRET = 'the webhook secret of S4'
const PATH = '/cxone/webhook/data-action'
const signed = (body: string) => ({
  'X-NICE-Signature': createHmac('sha256', SECRET).update(body).digest('hex'),
})
const update = (minute: number, payload?: object) =>
  JSON.stringify({
    interactionId: 'int-1',
    dataActionId: 'da-1',
    updatedTimestamp: `2024-05-11T12:0${minute}:00Z`,
    ...(payload && { payload }),
  })

it('S4-08 switches over with CXONE_WEBHOOK_SECRET alone: the latest state of each interaction, and the counts in InfluxDB', async () => {
  const s4 = await Switched.over('s4', { CXONE_WEBHOOK_SECRET: SECRET })
  const send = (body: string, headers: Record<string, string> = signed(body)) =>
    s4.deliver(PATH, body, headers)
  for (const body of [update(1, { k: 'v' }), update(3), update(3), update(2, { k: 'late' })]) {
    expect((await send(body)).status).toBe(200)
  }
  expect(await send(update(4), {})).toEqual({
    status: 403,
    text: '{"detail":"Missing webhook signature header"}',
  })
  expect(await send(update(4), signed('another'))).toEqual({
    status: 401,
    text: '{"detail":"Invalid webhook signature"}',
  })
  expect(await send('{"cut')).toEqual({ status: 400, text: '{"detail":"Malformed JSON payload"}' })
  await s4.settled(3, 1)
  expect(await s4.query(`SELECT payload ->> 'updatedTimestamp' AS at FROM interactions`)).toEqual([
    { at: '2024-05-11T12:03:00Z' },
  ])
  await s4.pipeline.start('console')
  const response = await fetch(`${s4.pipeline.consoleUrl()}/interactions/nice/int-1`, {
    headers: { authorization: 'Bearer dev' },
  })
  expect(response.status).toBe(200)
  const { state } = (await response.json()) as { readonly state: object }
  expect(state).toEqual({ dataActionId: 'da-1', updatedTimestamp: '2024-05-11T12:03:00Z', payload: {} })
  if (testServers().influx === undefined) return
  await s4.pipeline.until(async () => {
    const { eventsReceived = 0, eventsRejected = 0 } = (await s4.pipeline.influxTotals()) ?? {}
    return eventsReceived + eventsRejected === 5
  })
  expect(await s4.pipeline.influxTotals()).toEqual({
    eventsReceived: 4,
    eventsDeduplicated: 1,
    eventsRejected: 1,
  })
})
