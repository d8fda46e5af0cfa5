import kafkajs from 'kafkajs'
import type { KafkaSettings } from '../client/settings.ts'
import { withAdmin } from './topics.ts'
import type { Waiting } from '../client/until-available.ts'

/** `retention.ms` of each topic; -1: unlimited. */
export const readRetentionMs = (
  settings: KafkaSettings,
  topics: readonly string[],
  waiting: Waiting,
): Promise<ReadonlyMap<string, number>> =>
  withAdmin('reading the retention of topics', settings, waiting, async (admin) => {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: topics.map((name) => ({
        type: kafkajs.ConfigResourceTypes.TOPIC,
        name,
        configNames: ['retention.ms'],
      })),
    })
    return new Map(
      resources.map(({ resourceName, configEntries }) => [
        resourceName,
        Number(configEntries[0]?.configValue),
      ]),
    )
  })
