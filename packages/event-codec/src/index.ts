export * from './event-codec.ts'
export * from './registry-errors.ts'
export * from './registry.ts'
