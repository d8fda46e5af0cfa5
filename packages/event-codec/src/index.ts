export * from './event-codec.ts'
export * from './registry.ts'
