import type { TestProject } from 'vitest/node'
import './environment.ts'

/** Gives the integration and end-to-end tests their servers. */
export default async (project: TestProject): Promise<void> => {
  const env = process.env
  project.provide('weirServers', {
    kafkaBrokers: (env.KAFKA_BROKERS ?? '').split(','),
    registryUrl: env.SCHEMA_REGISTRY_URL ?? '',
    databaseUrl: env.DATABASE_URL ?? '',
    ...(env.INFLUX_URL !== undefined && { influxUrl: env.INFLUX_URL }),
  })
}
