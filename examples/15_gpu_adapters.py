"""GPU inference: two agents on one endpoint of Azure Machine Learning, each with a LoRA adapter, and a cold start.

The endpoint is one on this machine, which answers as Azure's do and needs no GPU. Yours is `AOS_AZUREML_ENDPOINT`.

Prints:

    ceo: Shall we expand?
    cfo: Shall we expand?
    the endpoint was cold twice, and answered 4 times
"""

import asyncio

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, PurposeDrivenAgent
from AgentOperatingSystem.proof.gpu.endpoint import Service, serving


async def main() -> None:
    async with serving(Service(letters={"a-key"})) as endpoint:
        endpoint.plan += ["503", "503"]  # no instance is ready yet
        config = AOSConfig(
            data_dir=".aos/gpu_adapters",
            model="azureml/llama-3-8b",
            azureml_endpoint=f"{endpoint.url}/v1",
            azureml_key="a-key",
        )
        async with AgentOperatingSystem(config) as aos:
            for name in ("ceo", "cfo"):
                await aos.register_agent(PurposeDrivenAgent(agent_id=name, purpose="Growth", adapter_name=name))
                decided = await aos.process_event({"agent": name, "type": "ask", "data": "Shall we expand?"})
                print(decided["decision"])
        print(f"the endpoint was cold twice, and answered {endpoint.answered} times")


asyncio.run(main())
