export * from './outcome.ts'
export * from './pipeline.ts'
