export * from './consumer.ts'
export * from './dead-letter-keys.ts'
export { failpointsOf } from './failpoints.ts'
export * from './mass-failure.ts'
