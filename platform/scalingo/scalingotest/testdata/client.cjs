// Scales an app with Scalingo's own client, and prints what it was told.
//
//	node client.cjs CLIENT URL TOKEN APP AMOUNT
const [client, url, token, app, amount] = process.argv.slice(2);
const scalingo = require(client);

(async () => {
	const c = await scalingo.clientFromToken(token, { apiUrl: url, authApiUrl: url });
	const formation = await c.Containers.for(app);
	const processes = await c.Containers.processes(app);
	const autoscalers = await c.Autoscalers.for(app);
	const scaled = await c.Containers.scale(app, [{ name: "web", amount: Number(amount) }]);
	const refused = await c.Containers.scale(app, [{ name: "web", amount: 11 }]).then(() => null, (e) => ({ status: e.status ?? e.response?.status, data: e.data ?? e.response?.data }));
	console.log(JSON.stringify({
		formation, processes, autoscalers, refused,
		scaled: scaled.formation, operation: { status: scaled.operation.status, type: scaled.operation.type },
	}));
})().catch((e) => { console.error(String(e)); process.exit(1); });
