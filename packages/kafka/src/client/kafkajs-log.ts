import kafkajs, { type logCreator } from 'kafkajs'
import type { KafkaLogger } from './settings.ts'

/** Messages that kafkajs logs as errors in normal operation: it retries the request, or the group rebalances. */
const EXPECTED =
  /rebalancing|rejoin|member id|concurrent transaction|another concurrent operation|is no longer valid|not aware of this member|coordinator is not available|not the correct coordinator|coordinator is loading|response without match/i

/**
 * Writes the log of kafkajs to our logger. kafkajs logs an error even when it will retry, so its errors become
 * warnings, and expected messages become debug lines.
 */
export const logCreatorFor =
  (logger: KafkaLogger): logCreator =>
  () =>
  ({ namespace, level, log }) => {
    const { message, broker, clientId, error, retryCount, groupId } = log as Record<string, unknown>
    const fields = { kafkajs: namespace, broker, clientId, error, retryCount, groupId }
    const text = `${String(message)} ${String(error)}`
    if (level <= kafkajs.logLevel.WARN && !EXPECTED.test(text)) logger.warn(fields, String(message))
    else logger.debug(fields, String(message))
  }
