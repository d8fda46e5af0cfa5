import { randomUUID } from 'node:crypto'
import type { RouteAnswer } from '@weir/runtime'
import { Random, type OperationResult } from '@weir/truth'
import type { SimulatorConfig } from './config.ts'
import { CHANNELS, routedBody, type Channel } from './payloads.ts'
import type { Sender } from './sender.ts'
import { packEvent } from './shipment.ts'

const ERRORS: Readonly<Record<Exclude<OperationResult, 'acked'>, string>> = {
  refused: 'ingress refuses it',
  failed: 'ingress cannot be reached',
  unknown: 'ingress did not confirm it',
}

const isChannel = (text: string): text is Channel => (CHANNELS as readonly string[]).includes(text)

/**
 * `POST /simulator/generate?channel=voice|chat|sms`: sends one routed interaction at once, and records it in the
 * ledger.
 */
export const generateWith = (config: SimulatorConfig, sender: Sender) => {
  const random = new Random(config.seed)
  return async (query: URLSearchParams): Promise<RouteAnswer> => {
    const channel = query.get('channel') ?? 'voice'
    if (!isChannel(channel)) {
      return { status: 400, body: { status: 'failed', error: `channel is one of ${CHANNELS.join(', ')}` } }
    }
    const payloadId = `sim-${randomUUID()}`
    const body = routedBody(random, payloadId, new Date().toISOString(), channel)
    const result = await sender.deliver(packEvent(config, 'cxone', body))
    if (result === 'acked') return { status: 200, body: { status: 'delivered', payloadId } }
    return { status: 500, body: { status: 'failed', error: ERRORS[result] } }
  }
}
