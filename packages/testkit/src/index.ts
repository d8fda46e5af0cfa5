export * from './environment.ts'
export * from './own-servers.ts'
export * from './services.ts'
export type { TestService } from './test-service.ts'
