export * from './outcome.ts'
export * from './pipeline.ts'
export * from './read-webhook.ts'
