export * from './event-codec.ts'
