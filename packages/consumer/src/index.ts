export * from './consumer.ts'
export * from './dead-letter-keys.ts'
export * from './mass-failure.ts'
