// An origin in Node: `node echo.js PORT SEEN` writes each request it understood into SEEN, then answers with the same.
const http = require("http");
const fs = require("fs");
const crypto = require("crypto");

const seen = fs.openSync(process.argv[3], "a");

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("error", () => {});
  request.on("end", () => {
    const body = Buffer.concat(parts);
    const digest = crypto.createHash("sha256").update(body).digest("hex").slice(0, 16);
    const target = request.url.split("?")[0];
    const line = JSON.stringify([request.method, target, request.headers["x-marker"] || "", body.length, digest]);
    fs.writeSync(seen, line + "\n");
    response.writeHead(200, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(line) });
    response.end(line);
  });
});
server.keepAliveTimeout = 60000;
server.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 512 });
