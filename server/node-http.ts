/** Node's HTTP. An `import` of it would also load the client behind `fetch`, for 10 ms or more of each start. */
export const { createServer, request } = process.getBuiltinModule('node:http')
