import kafkajs, { type logCreator } from 'kafkajs'
import type { KafkaLogger } from './settings.ts'

/** What kafkajs reports as an error although it is part of a normal day: it retries, or the group rebalances. */
const EXPECTED =
  /rebalancing|rejoin|member id|concurrent transaction|another concurrent operation|is no longer valid|not aware of this member|coordinator is not available|not the correct coordinator|coordinator is loading|response without match/i

/**
 * Routes kafkajs' log into ours. It calls what it will retry an error, so its errors are warnings here;
 * what is expected is for debugging.
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
